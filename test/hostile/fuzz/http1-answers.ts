/** Splits what a server has sent on one connection into answers. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** `isHead(n)`: the n-th answer, without the informational ones, has no body. `rest` is what is no complete answer. */
export function parseAnswers(text: string, isHead: (n: number) => boolean): { answers: Answer[]; rest: string } {
  const answers: Answer[] = [];
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) break;
    const head = text.slice(at, headEnd);
    const [, digits] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? [];
    if (digits === undefined) break;
    const status = Number(digits);
    const start = headEnd + 4;
    if (status < 200) {
      at = start;
      continue;
    }
    const end = isHead(answers.length) || status === 204 || status === 304 ? start : endOfBody(text, head, start);
    if (end === undefined) break;
    answers.push({ status, head, body: text.slice(start, end) });
    at = end;
  }
  return { answers, rest: text.slice(at) };
}

function endOfBody(text: string, head: string, start: number): number | undefined {
  const [, length] = /^content-length: (\d+)/im.exec(head) ?? [];
  if (length !== undefined) return start + Number(length) <= text.length ? start + Number(length) : undefined;
  if (!/^transfer-encoding: chunked/im.test(head)) return text.length; // until the end of the connection
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (size === 0) return at;
    if (Number.isNaN(size) || at > text.length) return undefined;
  }
}
