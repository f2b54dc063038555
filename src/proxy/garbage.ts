import { fullGC } from "bun:jsc";

/** Milliseconds between the looks whether the process rests. */
const interval = 300;
/** The part of a core below which it does. */
const restingLoad = 0.05;
/** Bytes that are worth a collection, which takes some milliseconds. */
const worthwhile = 4 * 1024 * 1024;

let bytes = 0;
let timer: Timer | undefined;
let used = 0;

/**
 * Bun has read a large chunk, which is garbage soon. JavaScriptCore lets 32 MB of them gather (largeHeapSize in its
 * heap/Heap.cpp), and Bun has them collected only when the process has rested for five to eight seconds. So they are collected
 * once it rests, when nobody is kept waiting; under load that is JavaScriptCore's own affair.
 */
export function largeChunkRead(length: number): void {
  bytes += length;
  if (timer === undefined) lookLater();
}

function lookLater(): void {
  used = processorTime();
  timer = setTimeout(look, interval).unref();
}

function look(): void {
  if (processorTime() - used > restingLoad * interval) return lookLater();
  timer = undefined;
  if (bytes >= worthwhile) fullGC();
  bytes = 0;
}

/** Milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
