/**
 * Markdown as elements of React. The library only takes the text apart: nothing is ever parsed as HTML, and what is
 * not among the elements here is shown as it is written.
 */
import { Lexer, type MarkedToken, type Token } from "marked";
import { createElement, Fragment, type ReactNode } from "react";
import { Link } from "wouter";
import { runbookPath } from "../data/runbooks";

/** The text without its first heading, which is the title of the view. */
export function Markdown({ text }: { text: string }) {
  const tokens = Lexer.lex(text);
  return (
    <article className="panel markdown">{each(tokens.slice(tokens[0]?.type === "heading" ? 1 : 0))}</article>
  );
}

const each = (tokens: readonly Token[] = []): ReactNode => createElement(Fragment, null, ...tokens.map(draw));

function draw(token: Token): ReactNode {
  const t = token as MarkedToken;
  switch (t.type) {
    case "space":
      return null;
    case "heading":
      return createElement(`h${Math.max(t.depth, 2)}`, null, each(t.tokens));
    case "paragraph":
      return <p>{each(t.tokens)}</p>;
    case "list":
      return createElement(
        t.ordered ? "ol" : "ul",
        t.ordered && t.start !== 1 ? { start: t.start } : null,
        ...t.items.map((item) => createElement("li", null, each(item.tokens))),
      );
    case "blockquote":
      return <blockquote>{each(t.tokens)}</blockquote>;
    case "code":
      return (
        <pre>
          <code>{t.text}</code>
        </pre>
      );
    case "text":
      return t.tokens ? each(t.tokens) : t.text;
    case "escape":
      return t.text;
    case "strong":
      return <strong>{each(t.tokens)}</strong>;
    case "em":
      return <em>{each(t.tokens)}</em>;
    case "codespan":
      return <code>{t.text}</code>;
    case "link":
      return <Leading to={t.href}>{each(t.tokens)}</Leading>;
    default:
      return token.raw;
  }
}

/** Leads to another runbook, or into the web; anything else is no link. */
function Leading({ to, children }: { to: string; children: ReactNode }) {
  const name = /^([\w-]+)\.md$/.exec(to)?.[1];
  if (name !== undefined) return <Link href={runbookPath(name)}>{children}</Link>;
  if (!/^https?:\/\//.test(to)) return children;
  return (
    <a href={to} target="_blank" rel="noreferrer">
      {children}
    </a>
  );
}
