import { expect, it } from "vitest";
import { readable } from "./text";

it("takes out what cannot be seen", () => {
  expect(readable("\u202eevil\u202c zero\u200bwidth \ufeffx\u0000\u001b[31m\u2066y\u2069\u{e0041}")).toBe(
    "evil zerowidth x[31my",
  );
});

it("keeps every letter", () => {
  const text = "line\n\ttab 日本語 العربية עברית é 🔥 👩\u200d👩\u200d👧 می\u200cخواهم \u06dd";
  expect(readable(text)).toBe(text);
});
