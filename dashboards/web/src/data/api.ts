/**
 * The one file that fetches. Answers are typed by the OpenAPI document; failures are ApiErrors that say what went
 * wrong in words for people. Nothing waits for ever.
 */
import { promql, rest } from "../base";
import { connection } from "./connection";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

type Json<R> = R extends { content: { "application/json": infer B } } ? B : never;
type Answer<P extends keyof paths, M extends "get" | "post" | "put" | "delete"> = paths[P] extends {
  [K in M]: { responses: infer R };
}
  ? Json<R[keyof R & (200 | 201)]>
  : never;

/** Paths that answer GET with JSON. */
export type Readable = { [P in keyof paths]: [Answer<P, "get">] extends [never] ? never : P }[keyof paths];

export type Query = Record<string, string | number | readonly string[] | undefined>;

/** How long an answer may take. */
const patience = 20_000;

export type Failure = "offline" | "timeout" | "refused";

export class ApiError extends Error {
  constructor(
    readonly kind: Failure,
    message: string,
    readonly status = 0,
    readonly code = "",
  ) {
    super(message);
  }
}

/** The token that changes must carry once somebody is logged in. */
let csrf = "";
export const setCsrf = (token: string) => {
  csrf = token;
};

/** Told when the server no longer knows who is asking. */
let loggedOut = () => {};
export const onLoggedOut = (listener: () => void) => {
  loggedOut = listener;
};

export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) params.append(key, one);
    else if (value !== undefined && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Fills {name} in a documented path. */
export function fill(path: string, parts: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ""));
}

interface Ask {
  method?: string;
  body?: unknown;
  form?: URLSearchParams;
  signal?: AbortSignal | undefined;
}

async function ask(url: string, { method = "GET", body, form, signal }: Ask): Promise<unknown> {
  // Not AbortSignal.timeout, which lives on after the answer.
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), patience);
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf !== "") headers["X-CSRF-Token"] = csrf;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      credentials: "same-origin",
      ...(form ? { body: form } : body !== undefined ? { body: JSON.stringify(body) } : {}),
    });
    text = await response.text();
  } catch (err) {
    if (signal?.aborted) throw err;
    connection.failed();
    if (limit.signal.aborted) {
      throw new ApiError("timeout", `llmwatch did not answer within ${patience / 1000} s`);
    }
    throw new ApiError("offline", "llmwatch cannot be reached");
  } finally {
    clearTimeout(timer);
  }
  connection.answered();
  const answer = parse(text);
  if (response.ok) {
    return answer;
  }
  if (response.status === 401 && !url.endsWith("/login")) loggedOut();
  throw failure(response.status, answer);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads the error forms: the bridge's, Prometheus's, and health's with its problems. */
export function failure(status: number, answer: unknown): ApiError {
  const { error, errorType, problems } = (answer ?? {}) as {
    error?: unknown;
    errorType?: string;
    problems?: string[];
  };
  if (Array.isArray(problems)) return new ApiError("refused", problems.join("; "), status);
  if (typeof error === "string") return new ApiError("refused", error, status, errorType);
  const { code = "", message } = (error ?? {}) as { code?: string; message?: string };
  return new ApiError("refused", message ?? `llmwatch answered with status ${status}`, status, code);
}

/** Answers on their way that nobody has read yet, by address. */
const early = new Map<string, Promise<unknown>>();

/** Asks for what will soon be read, before the code that reads it is there. */
export function ahead(path: Readable) {
  const answer = ask(rest(path), {});
  answer.catch(() => {}); // Whoever reads it is told.
  early.set(rest(path), answer);
}

/** Reads a documented path. */
export async function get<P extends Readable>(
  path: P,
  options: { query?: Query; parts?: Record<string, string>; signal?: AbortSignal | undefined } = {},
): Promise<Answer<P, "get">> {
  const url = withQuery(rest(fill(path, options.parts ?? {})), options.query);
  const asked = early.get(url);
  early.delete(url);
  return (await (asked ?? ask(url, { signal: options.signal }))) as Answer<P, "get">;
}

/** Changes something at a documented path. */
export async function send<P extends keyof paths, M extends "post" | "put" | "delete">(
  method: M,
  path: P,
  options: { body?: unknown; parts?: Record<string, string> } = {},
): Promise<Answer<P, M>> {
  const { body, parts = {} } = options;
  return (await ask(rest(fill(path, parts)), { method: method.toUpperCase(), body })) as Answer<P, M>;
}

/** One series of a PromQL answer; a value is text because NaN and infinities are none in JSON. */
export interface PromSeries {
  metric: Record<string, string>;
  values?: [number, string][];
  value?: [number, string];
}

/** Asks a PromQL question. A 404 means that this llmwatch reads an external server and offers REST alone. */
export async function query(
  kind: "query" | "query_range",
  params: Record<string, string>,
  signal?: AbortSignal,
): Promise<PromSeries[]> {
  const url = withQuery(promql(`/${kind}`), params);
  const answer = (await ask(url, { signal })) as { data?: { result?: PromSeries[] } };
  return answer?.data?.result ?? [];
}
