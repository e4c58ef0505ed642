import { useId } from "react";

interface Props {
  title: React.ReactNode;
  more?: React.ReactNode;
  className?: string;
  /** Content that brings its own margins. */
  flush?: boolean;
  children: React.ReactNode;
}

/** A part of a view with a heading of its own. */
export function Panel({ title, more, className = "", flush = false, children }: Props) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {more && <div className="more">{more}</div>}
      </header>
      {flush ? children : <div className="body">{children}</div>}
    </section>
  );
}
