/** What this machine runs out of for a while, and what to say of it (socket(2), connect(2), accept(2), dup(2)). */
const shortages: Record<string, string> = {
  EADDRNOTAVAIL: "no local port is free",
  EMFILE: "this process has no descriptor left",
  ENFILE: "the system has no descriptor left",
  ENOBUFS: "the kernel has no memory left",
  ENOMEM: "the kernel has no memory left",
};

/** Whether an error's code names something that is missing here and comes back. */
export function isShortage(code: string): boolean {
  return code in shortages;
}

/** What is missing, as a sentence of its own; the code alone where that is no shortage. */
export function explainShortage(code: string): string {
  const what = shortages[code];
  return what === undefined ? code : `${what} (${code})`;
}
