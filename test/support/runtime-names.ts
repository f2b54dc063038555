/** What may be names of environment variables in the Bun that programs are compiled with. */

/** Every word in the executable that could be a name: texts of their own, words of capitals, and what scripts ask of `env`. */
export async function wordsIn(runtime: string): Promise<Set<string>> {
  const text = await textOf(runtime);
  return new Set([
    ...matches(text, /(?<![A-Za-z0-9_])[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]/g),
    ...matches(text, /(?<=env\.)[A-Za-z_][A-Za-z0-9_]+/g),
    ...matches(text, /(?<=\0)[A-Za-z_][A-Za-z0-9_]{2,40}(?=\0)/g),
    ...(await variablesIn(runtime)),
  ]);
}

/** The names of Bun's and Node's own prefixes. Compilers set texts side by side: a few run into what follows them. */
export async function variablesIn(runtime: string): Promise<Set<string>> {
  const names = matches(await textOf(runtime), /(?<![A-Z]_)(?:BUN|NODE)_[A-Z][A-Z0-9_]+?(?=[^A-Z0-9_]|BUN_|NODE_)/g);
  return new Set(names.filter((name) => !/^NODE_(PERFORMANCE|API)_/.test(name)));
}

const textOf = async (path: string) => Buffer.from(await Bun.file(path).arrayBuffer()).toString("latin1");
const matches = (text: string, expression: RegExp) => [...text.matchAll(expression)].map(([word]) => word);
