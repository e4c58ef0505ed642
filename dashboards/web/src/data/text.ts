/** Texts from outside as people may read them. */

/**
 * Control characters and those that are not seen by themselves: they make a text read as another one. The joiners stay,
 * since they decide how letters and emojis beside them look, and so do marks that are seen. bridge/alert/text.go does
 * the same for messages.
 */
const unseen =
  /(?!\n|\t|\u200c|\u200d|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}])[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** The text without characters that cannot be seen. */
export const readable = (text: string) => text.replace(unseen, "");
