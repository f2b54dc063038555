// A program that keeps its connections: for each line on stdin, a URL, it fetches that and prints the answer on a line.
import { createInterface } from "node:readline";

for await (const url of createInterface({ input: process.stdin })) {
  const response = await fetch(url);
  console.log(await response.text());
}
