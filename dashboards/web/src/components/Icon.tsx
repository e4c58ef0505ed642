/** Drawings of 16 × 16. They are decoration: the words beside them say the same. */
const drawings = {
  overview: "M2 2h5v6H2zM9 2h5v3H9zM9 7h5v7H9zM2 10h5v4H2z",
  alerts: "M8 1.5v1M4 11V7a4 4 0 0 1 8 0v4l1.5 1.5h-11zM6.5 14.5h3",
  logs: "M2.5 3.5h11M2.5 6.5h8M2.5 9.5h11M2.5 12.5h6",
  system: "M4 4h8v8H4zM6.5 1.5V4M9.5 1.5V4M6.5 12v2.5M9.5 12v2.5M1.5 6.5H4M1.5 9.5H4M12 6.5h2.5M12 9.5h2.5",
  requests: "M1.5 5h11M9.5 2l3 3-3 3M14.5 11h-11M6.5 8l-3 3 3 3",
  application: "M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6",
  status: "M1.5 8h3l2-5 3 10 2-5h3",
  up: "M4 12 12 4M6 4h6v6",
  down: "M4 4l8 8M12 6v6H6",
  flat: "M2.5 8h10M9.5 5l3 3-3 3",
  pin: "M6 1.5h4l-.6 5 2.6 2.5H4l2.6-2.5zM8 9v5.5",
  table: "M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10",
  export: "M8 2v8M5 7l3 3 3-3M2.5 11v2.5h11V11",
  back: "M10 3 5 8l5 5",
  forward: "M6 3l5 5-5 5",
  out: "M4.5 7h5M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM11 11l3.5 3.5",
  check: "M2.5 8.5l3.5 3.5 7.5-8",
  cross: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  person: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14c.5-3 2.5-4.5 5.5-4.5s5 1.5 5.5 4.5",
  clock: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM8 4.5V8l2.5 1.5",
  play: "M4.5 2.5v11l8-5.5z",
  pause: "M5 3v10M11 3v10",
} as const;

export type IconName = keyof typeof drawings;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path
        d={drawings[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
