// A `dwell` for a browser to look at: on a free port, in a folder of its own, stopped at the end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A Redis that keeps nothing; `undefined` where there is no redis-server. */
export async function startRedis() {
  const port = await freePort();
  const redis = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmpdir()], { stdio: "ignore" });
  const isThere = await Promise.race([once(redis, "spawn").then(() => true), once(redis, "error").then(() => false)]);
  return isThere ? { url: `redis://127.0.0.1:${port}`, stop: () => redis.kill("SIGKILL") } : undefined;
}

export class Dwell {
  static async on(binary, settings) {
    const dwell = new Dwell();
    const port = await freePort();
    return Object.assign(dwell, { binary, settings, port, origin: `http://127.0.0.1:${port}`, output: "" });
  }

  /** Starts it, and waits until it answers. */
  async start() {
    this.folder = await mkdtemp(path.join(tmpdir(), "dwell-browser-"));
    const env = { PATH: process.env.PATH, DWELL_LISTEN: `127.0.0.1:${this.port}`, DWELL_DATA_DIR: this.folder, ...this.settings };
    this.process = spawn(this.binary, { env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(this.process, "exit").then(([code]) => {
      throw new Error(`dwell ended with ${code}:\n${this.output.slice(-4_000)}`);
    });
    ended.catch(() => {});
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (text) => (this.output = (this.output + text).slice(-20_000)));
    }
    const answers = async () => {
      for (;;) {
        const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined);
        if (answer?.ok) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    };
    await Promise.race([answers(), ended]);
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGINT");
    const slow = setTimeout(() => this.process.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(slow);
    await rm(this.folder, { recursive: true, force: true });
  }
}
