/** Numbers and times as people read them. */

export type Unit =
  | "percent"
  | "ms"
  | "seconds"
  | "bytes"
  | "bytes/s"
  | "count"
  | "per second"
  | "usd"
  | "number";

const nothing = "–";

function digits(x: number): number {
  const size = Math.abs(x);
  if (size >= 100 || Number.isInteger(x)) return 0;
  return size >= 10 ? 1 : 2;
}

/**
 * What toLocaleString says in American English. The first question to Intl loads its tables, which takes longer than to
 * draw a whole view.
 */
function plain(x: number, most = digits(x), least = 0): string {
  let [whole = "", fraction = ""] = x.toFixed(most).split(".");
  while (fraction.length > least && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  whole = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function scaled(x: number, base: number, names: readonly string[]): string {
  let i = 0;
  let value = x;
  while (Math.abs(value) >= base && i < names.length - 1) {
    value /= base;
    i++;
  }
  return `${plain(value)}${names[i]}`;
}

/** The value with its unit. */
export function show(x: number | null | undefined, unit: Unit): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return nothing;
  switch (unit) {
    case "percent":
      return `${x.toFixed(1)} %`;
    case "ms":
      return Math.abs(x) < 1000 ? `${plain(x)} ms` : `${plain(x / 1000)} s`;
    case "seconds":
      return Math.abs(x) < 1 ? `${plain(x * 1000)} ms` : `${plain(x)} s`;
    case "bytes":
      return scaled(x, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]);
    case "bytes/s":
      return scaled(x, 1024, [" B/s", " KiB/s", " MiB/s", " GiB/s", " TiB/s"]);
    case "count":
      return Math.abs(x) < 100_000
        ? plain(x, x === Math.round(x) ? 0 : 1)
        : scaled(x, 1000, ["", " k", " M", " G", " T"]);
    case "per second":
      return `${plain(x)}/s`;
    case "usd":
      return `$${plain(x, x !== 0 && Math.abs(x) < 1 ? 4 : 2, 2)}`;
    case "number":
      return plain(x, 4);
  }
}

const two = (n: number) => String(n).padStart(2, "0");

/** The time of day, local, to the second. */
export function clock(at: number | string | Date): string {
  const d = new Date(at);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Day and time, local; the year only where it is another one. */
export function moment(at: number | string | Date, now: number = Date.now()): string {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return nothing;
  const year = d.getFullYear() === new Date(now).getFullYear() ? "" : ` ${d.getFullYear()}`;
  return `${d.getDate()} ${months[d.getMonth()]}${year} ${clock(d)}`;
}

/** The time of day to the millisecond where it is of today, else the day and the time. */
export function precise(at: string, now: number = Date.now()): { time: string; ms: string } {
  const today = new Date(at).toDateString() === new Date(now).toDateString();
  return today ? { time: clock(at), ms: at.slice(19, 23) } : { time: moment(at, now), ms: "" };
}

/** A length of time, in its two largest units at most. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 === 0 ? `${h} h` : `${h} h ${m % 60} min`;
  const days = Math.floor(h / 24);
  return h % 24 === 0 ? `${days} d` : `${days} d ${h % 24} h`;
}

/** How long ago a moment was. */
export function ago(at: number | string | Date, now: number): string {
  const seconds = (now - new Date(at).getTime()) / 1000;
  return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
}

/** Names such as high_cpu_usage as words. */
export function words(name: string): string {
  const text = name.replace(/[_-]+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "1 alert", "2 alerts". */
export const counted = (n: number, one: string, many = `${one}s`) => `${plain(n, 0)} ${n === 1 ? one : many}`;
