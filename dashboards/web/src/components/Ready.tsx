/** The designed states of an answer: awaited, late, failed, empty, old. */
import { useEffect, useState } from "react";
import { ApiError } from "../data/api";

interface Question<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

interface Props<T> {
  of: Question<T>;
  /** What is asked for, in the middle of a sentence. */
  what: string;
  /** Says that there is nothing, and what to do about it; shown where it is not undefined. */
  empty?: (data: T) => React.ReactNode;
  children: (data: T) => React.ReactNode;
}

export function Ready<T>({ of, what, empty, children }: Props<T>) {
  if (of.data !== undefined) {
    const nothing = empty?.(of.data);
    return (
      <>
        {of.error && <Old error={of.error} what={what} />}
        {nothing ? <div className="state">{nothing}</div> : children(of.data)}
      </>
    );
  }
  if (of.error) return <Failed error={of.error} what={what} again={() => void of.refetch()} />;
  return <Waiting what={what} />;
}

export function Waiting({ what }: { what: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 3000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status">
      <span className={late ? "soft" : "hidden"}>
        {late ? `Still waiting for ${what}.` : `Loading ${what}`}
      </span>
      <i />
      <i />
      <i />
    </div>
  );
}

export function explain(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

export function Failed({ error, what, again }: { error: unknown; what: string; again: () => void }) {
  return (
    <div className="state" role="alert">
      <strong>Could not load {what}.</strong>
      <span className="break">{explain(error)}</span>
      <button type="button" className="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}

const Old = ({ error, what }: { error: unknown; what: string }) => (
  <p className="old soft break" role="status">
    Showing the last known {what}: {explain(error)}.
  </p>
);
