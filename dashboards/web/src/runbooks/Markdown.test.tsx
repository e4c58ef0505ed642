import { readdirSync, readFileSync } from "node:fs";
import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Markdown } from "./Markdown";

afterEach(cleanup);

const drawn = (text: string) => render(<Markdown text={text} />).container;
/** Neighbouring elements have no space between them. */
const close = (text: string) => text.replace(/\s+/g, "");

const folder = "../../docs/runbooks";
const files = readdirSync(folder).filter((name) => name.endsWith(".md"));

describe("the runbooks", () => {
  it("are there", () => expect(files.length).toBeGreaterThan(15));

  it.each(files)("%s is shown whole, and without its marks", (file) => {
    const text = readFileSync(`${folder}/${file}`, "utf8");
    const page = drawn(text);
    const [, ...lines] = text.split("\n");
    const code = lines.filter((l) => l.startsWith("    ")).map((l) => l.slice(4).trimEnd());
    const shown = [...page.querySelectorAll("pre")].flatMap((pre) => pre.textContent.split("\n"));
    expect(shown.map((l) => l.trimEnd()).filter(Boolean)).toEqual(code.filter(Boolean));
    for (const pre of page.querySelectorAll("pre")) pre.remove();
    const prose = lines
      .filter((l) => !l.startsWith("    "))
      .map((l) => l.replace(/^(#+|\*|\d+\.) /, ""))
      .join("\n")
      .replace(/\[(.*?)\]\(.*?\)/gs, "$1")
      .replace(/\*\*|`/g, "");
    expect(close(page.textContent)).toBe(close(prose));
    for (const link of page.querySelectorAll("a")) {
      expect(files).toContain(`${link.getAttribute("href")?.replace("/runbooks/", "")}.md`);
    }
  });
});

it("draws headings, lists, code and stress", () => {
  const text =
    "# Title\n\n## A `b`\n\n3. **c**\n4. *d*\n   * e\n\n> f\n\n```sh\ng <h>\n```\n\n1 \\* 2 & [w](https://e.org/?a&b)\n";
  const { innerHTML } = drawn(text).querySelector("article") as HTMLElement;
  expect(innerHTML).toBe(
    '<h2>A <code>b</code></h2><ol start="3"><li><strong>c</strong></li><li><em>d</em><ul><li>e</li></ul></li></ol>' +
      "<blockquote><p>f</p></blockquote><pre><code>g &lt;h&gt;</code></pre>" +
      '<p>1 * 2 &amp; <a href="https://e.org/?a&amp;b" target="_blank" rel="noreferrer">w</a></p>',
  );
});

it("shows what it does not know as it is written, and never as HTML", () => {
  const text =
    '<script>run()</script>\n\na <img src=x onerror="run()"> ![i](x.png) [j](javascript:run())\n\n| k |\n|---|\n| l |\n';
  const page = drawn(text);
  expect(close(page.textContent)).toBe(close(text.replace("[j](javascript:run())", "j")));
  expect(page.querySelectorAll("script, img, a, table").length).toBe(0);
});
