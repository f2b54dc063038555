// npm install express
import { rmSync } from "node:fs";
import express from "express";

const path = process.env.LAUNCH_PROGRAM_SOCKET_PATH;
// A run that was killed leaves its socket behind.
if (path) rmSync(path, { force: true });

const app = express();
app.get("/", (_request, response) => response.send("hello from Express\n"));
app.listen(path ?? 8000);
