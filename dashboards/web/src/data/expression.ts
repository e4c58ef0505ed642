/** A rule's expression as a question for a chart: what it compares, and with what. */
export interface Watched {
  expr: string;
  threshold?: number;
}

const comparison = /^([\s\S]*?)\s*(?:==|!=|>=|<=|>|<)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$/;

/** Takes the comparison with a number off the end of an expression, because with it only firing values are left. */
export function watched(expr: string): Watched {
  const found = comparison.exec(expr);
  const [, left = "", right = ""] = found ?? [];
  return found && balanced(left) ? { expr: left, threshold: Number(right) } : { expr };
}

function balanced(text: string): boolean {
  let depth = 0;
  for (const c of text) {
    if (c === "(" || c === "{" || c === "[") depth++;
    if (c === ")" || c === "}" || c === "]") depth--;
    if (depth < 0) return false;
  }
  return depth === 0;
}
