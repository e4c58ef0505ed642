import { expect, it } from "vitest";
import type { Schemas } from "../data/api";
import { ofHost } from "./marks";

it("a host's chart is marked with its alerts, and with those of no host", () => {
  const alert = (id: string, labels: Record<string, string>) =>
    ({ id, metadata: { labels } }) as unknown as Schemas["Alert"];
  const alerts = [alert("a", { instance: "gpu-1" }), alert("b", { instance: "gpu-2" }), alert("c", {})];
  const ids = (instance: string) => ofHost(alerts, instance).map(({ id }) => id);
  expect(ids("gpu-1")).toEqual(["a", "c"]);
  expect(ids("")).toEqual(["a", "b", "c"]);
});
