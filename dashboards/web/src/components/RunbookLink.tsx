import { Link } from "wouter";
import { runbookAddress, useRunbooks } from "../data/runbooks";

interface Props {
  /** A rule's annotation runbook_url. */
  url: string | undefined;
  className?: string;
  children: React.ReactNode;
  /** Shown where the address leads nowhere. */
  otherwise?: React.ReactNode;
}

export function RunbookLink({ url, className, children, otherwise = null }: Props) {
  const { data } = useRunbooks();
  const address = runbookAddress(url, data?.data.map(({ name }) => name) ?? []);
  if (!address) return otherwise;
  if ("view" in address) {
    return (
      <Link className={className} href={address.view}>
        {children}
      </Link>
    );
  }
  return (
    <a className={className} href={address.url} target="_blank" rel="noreferrer">
      {children}
    </a>
  );
}
