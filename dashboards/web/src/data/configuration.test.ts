import { describe, expect, it } from "vitest";
import { chosen, nameOf, type Setting, sectionsOf } from "./configuration";

const setting = (key: string, more: Partial<Setting> = {}): Setting => ({
  ...{ key, value: "", default: "", origin: "default", pending: null },
  ...{ reload: false, secret: false, description: "", ...more },
});

const level = setting("logging.level", { value: "DEBUG", default: "INFO", origin: "llmwatch.yml:7" });
const file = setting("logging.file", { description: "Where llmwatch's own log goes." });
const listen = setting("server.listen", { pending: "0.0.0.0:5000" });
const port = setting("notifications.email.smtp_port", { value: "0", default: "0" });
const all = [level, file, listen, port];

describe("chosen", () => {
  it("is what was changed, or will be by a restart", () => {
    expect(chosen(all, "", false)).toEqual([level, listen]);
  });
  it("is everything on demand", () => expect(chosen(all, " ", true)).toEqual(all));
  it("finds the words of a text in names, values, origins and descriptions of all", () => {
    expect(chosen(all, "SMTP", false)).toEqual([port]);
    expect(chosen(all, "logging yml", false)).toEqual([level]);
    expect(chosen(all, "own log", true)).toEqual([file]);
    expect(chosen(all, "none such", true)).toEqual([]);
  });
});

it("sections keep their order, and names are short in them", () => {
  expect(sectionsOf(all)).toEqual([
    { name: "logging", settings: [level, file] },
    { name: "server", settings: [listen] },
    { name: "notifications.email", settings: [port] },
  ]);
  expect(all.map(nameOf)).toEqual(["level", "file", "listen", "smtp_port"]);
});
