// Serves HTTP on descriptor 3, and tells about itself.
import { createServer } from "node:http";

const about = () => ({ pid: process.pid, uid: process.getuid(), env: process.env });
createServer((_, response) => response.end(JSON.stringify(about()))).listen({ fd: 3 });
