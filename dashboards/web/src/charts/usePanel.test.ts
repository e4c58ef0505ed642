import { describe, expect, it } from "vitest";
import { panels } from "./panels";
import { expand } from "./usePanel";

describe("expand", () => {
  it("fills in widths and host", () => {
    expect(expand("rate(a$host[$r]) / $s + b[$w]", 60, 30)).toBe("rate(a[120s]) / 60 + b[60s]");
    expect(expand("a$host[$w]", 60, 30, "gpu-1:9100")).toBe('a{instance="gpu-1:9100"}[60s]');
  });
  it("takes a host's name as it is", () => {
    expect(expand("a$host[$w]", 60, 30, 'a"$w\\$&')).toBe('a{instance="a\\"$w\\\\$&"}[60s]');
  });
});

it("every chart of the machine can be of one host, and no other", () => {
  const series = (panel: (typeof panels)[keyof typeof panels]) =>
    panel.flatMap((p) => p.series.map((s) => s.prom));
  for (const prom of series(panels.system)) expect(prom).toContain("$host");
  for (const prom of [...series(panels.api), ...series(panels.app)]) expect(prom).not.toContain("$host");
});
