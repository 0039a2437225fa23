// A gRPC gate: passes on the calls whose API key is allowed, and tells of each "METHOD KEY STATUS".
// It reads "allow KEY ..." from standard input, which takes the place of what was allowed before.
import http2 from "node:http2";
import readline from "node:readline";

const upstream = http2.connect(`http://${process.argv[2]}`);
let allowed = [];

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  allowed = line.split(" ").slice(1);
  console.log(line);
});

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  const method = headers[":path"].split("/").pop();
  const key = (headers.authorization ?? "").replace("Bearer ", "");
  const passes = allowed.includes(key);
  console.log(`${method} ${key} ${passes ? "passed" : "refused"}`);
  stream.on("error", () => {});
  if (!passes) {
    const refusal = { ":status": 200, "content-type": "application/grpc", "grpc-status": "16" };
    stream.respond(refusal, { endStream: true });
    return;
  }
  const call = upstream.request(headers);
  let trailers = {};
  call.on("error", () => {});
  call.on("trailers", (found) => (trailers = found));
  call.on("response", (found, flags) => {
    const ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (stream.destroyed) return;
    stream.respond(found, ended ? { endStream: true } : { waitForTrailers: true });
    if (!ended) call.pipe(stream);
  });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.on("close", () => call.close(http2.constants.NGHTTP2_CANCEL));
  stream.pipe(call);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
