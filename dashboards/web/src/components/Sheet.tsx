import { useEffect, useRef } from "react";

interface Props {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: React.ReactNode;
}

/** A modal dialog; on a phone it comes from below. Escape closes it and the focus returns to where it was. */
export function Sheet({ title, onClose, wide = false, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} className={wide ? "wide" : ""} aria-label={title} onClose={onClose}>
      {children}
    </dialog>
  );
}
