/** Something a person can cause and fix. Its message is a whole sentence; no stack trace is ever shown for it. */
export class UserError extends Error {
  override name = "UserError";
}

/** Text from outside as it stands in a sentence: quoted, and the middle of a long one left out. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= 120 ? text : `${text.slice(0, 80)}…${text.slice(-20)}`);
}

/** An error's code (`ENOENT`) or else its message, to stand in a sentence. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? message ?? String(error);
}

/** Names and paths from outside must neither make lines of their own nor steer a terminal. */
export function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1);
    return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
  });
}
