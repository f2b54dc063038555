/** Bytes that tell where they belong, so that a lost, doubled or misplaced piece shows. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2_654_435_761);
  return bytes;
}

/** How many bytes they are, and their SHA-256. */
export function digest(bytes: Uint8Array): string {
  return `${bytes.length} bytes, SHA-256 ${Bun.SHA256.hash(bytes, "hex")}`;
}
