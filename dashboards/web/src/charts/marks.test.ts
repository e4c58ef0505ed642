import { expect, it } from "vitest";
import type { Schemas } from "../data/api";
import { firingAt, type Mark, ofHost } from "./marks";

it("a host's chart is marked with its alerts, and with those of no host", () => {
  const alert = (id: string, labels: Record<string, string>) =>
    ({ id, metadata: { labels } }) as unknown as Schemas["Alert"];
  const alerts = [alert("a", { instance: "gpu-1" }), alert("b", { instance: "gpu-2" }), alert("c", {})];
  const ids = (instance: string) => ofHost(alerts, instance).map(({ id }) => id);
  expect(ids("gpu-1")).toEqual(["a", "c"]);
  expect(ids("")).toEqual(["a", "b", "c"]);
});

it("the alerts that fire at a time are named, each once and few of them", () => {
  const mark = (name: string, from: number, to: number): Mark => ({
    name,
    from,
    to,
    severity: "high",
    own: false,
  });
  const marks = [mark("high_cpu", 10, 20), mark("high_cpu", 15, 30), mark("deep_queue", 20, 40)];
  expect(firingAt(marks, 9)).toBe("");
  expect(firingAt(marks, undefined)).toBe("");
  expect(firingAt(marks, 20)).toBe("High cpu, Deep queue");
  const many = ["a", "b", "c", "d", "e"].map((name) => mark(name, 0, 1));
  expect(firingAt(many, 1)).toBe("A, B, C and 2 more");
});
