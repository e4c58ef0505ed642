import { expect, it } from "vitest";
import { readSettings } from "./settings";

it.each([
  [null, { range: "1h", pinned: [], name: "" }],
  ["not json", { range: "1h", pinned: [], name: "" }],
  ['{"range":"7d","pinned":["cpu",3],"name":"ann"}', { range: "7d", pinned: ["cpu"], name: "ann" }],
  ['{"range":"9y","pinned":"cpu"}', { range: "1h", pinned: [], name: "" }],
])("reads %s", (text, want) => expect(readSettings(text)).toEqual(want));
