/** The byte at `position` of the stream that test servers and clients send, so that what arrives can be checked by its place. */
export function byteAt(position: number): number {
  return (position * 31 + (position >> 8) * 7) & 0xff;
}

/** `length` bytes of that stream from `position` on. */
export function bytesFrom(position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = byteAt(position + index);
  return bytes;
}
