/** What bodies may hold, in which pieces they may come, and how long they are discarded. */
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BodyChunks, ManyChunksError } from '../../../../shared/http/body/body-chunks.ts';
import { discardBody } from '../../../../shared/http/body/discard-body.ts';
import { InflightBytes, type Hold } from '../../../../shared/http/body/inflight-bytes.ts';
import { endPace, pace } from '../../../../shared/http/body/paced-reading.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('pushes in flight', () => {
  const start = () => {
    const inflight = new InflightBytes(100);
    const evicted: string[] = [];
    const open = (remoteAddress: string): Hold => {
      return inflight.open({ socket: { remoteAddress }, headers: {} } as IncomingMessage);
    };
    /** An upload that is not complete. */
    const upload = (remoteAddress: string, name: string, bytes: number): Hold => {
      const hold = open(remoteAddress);
      hold.resize(bytes);
      hold.giveWay((reason) => {
        expect(reason.code).toBe('overloaded');
        evicted.push(name);
      });
      return hold;
    };
    return { inflight, evicted, open, upload };
  };
  const overloaded = expect.objectContaining({ code: 'overloaded' }) as Error;

  test('the oldest uploads of the client that holds most are cancelled for a client that would hold less', () => {
    const { inflight, evicted, open, upload } = start();
    for (const name of ['a1', 'a2', 'a3']) upload('192.0.2.1', name, 30);
    upload('192.0.2.2', 'b1', 10);
    open('192.0.2.3').resize(40);
    expect(evicted).toEqual(['a1', 'a2']);
    expect(inflight.held).toBe(80);
    // The new one would hold more than any other.
    expect(() => open('192.0.2.3').resize(45)).toThrow(overloaded);
    expect(inflight.held).toBe(80);
  });

  test('addresses of one IPv6 network are one client', () => {
    const { evicted, open, upload } = start();
    upload('2001:db8::1', 'a1', 50);
    upload('2001:db8::2', 'a2', 50);
    open('2001:db8:0:1::1').resize(40);
    expect(evicted).toEqual(['a1']);
  });

  test('a complete body is never cancelled', () => {
    const { evicted, open, upload } = start();
    for (const name of ['a1', 'a2']) upload('192.0.2.1', name, 50).keep();
    expect(() => open('192.0.2.2').resize(1)).toThrow(overloaded);
    expect(evicted).toEqual([]);
  });

  test('an upload can be cancelled for its own client after 5 s', () => {
    const { evicted, open, upload } = start();
    for (const name of ['a1', 'a2']) upload('192.0.2.1', name, 50);
    expect(() => open('192.0.2.1').resize(10)).toThrow(overloaded);
    vi.advanceTimersByTime(5_001);
    open('192.0.2.1').resize(10);
    expect(evicted).toEqual(['a1']);
  });

  test('one upload counts as at most half', () => {
    const { inflight, open } = start();
    const hold = open('192.0.2.1');
    hold.resize(1_000);
    expect(inflight.held).toBe(50);
    hold.release();
    expect(inflight.held).toBe(0);
  });
});

describe('pieces of a body', () => {
  test('many small pieces at once are refused, slow ones are not', () => {
    const add = (count: number, bytes: number, eachMs = 0): BodyChunks => {
      const chunks = new BodyChunks();
      for (let i = 0; i < count; i++) {
        chunks.add(Buffer.alloc(bytes, 'x'));
        vi.advanceTimersByTime(eachMs);
      }
      return chunks;
    };
    expect(() => add(1_100, 1)).toThrow(ManyChunksError);
    expect(add(1_000, 1).length).toBe(1_000);
    expect(add(10_000, 16).length).toBe(160_000);
    expect(add(3_000, 1, 1).length).toBe(3_000);
  });

  test('need little more memory than their content, and keep it unchanged', () => {
    const chunks = new BodyChunks();
    const sent = Array.from({ length: 30_000 }, (_, i) => Buffer.alloc(i % 5_000 === 0 ? 20_000 : 17, i));
    for (const chunk of sent) chunks.add(chunk);
    expect(chunks.memory).toBeLessThan(chunks.length + 200_000);
    const buffers = chunks.finish();
    expect(buffers.length).toBeLessThan(40);
    expect(Buffer.concat(buffers).equals(Buffer.concat(sent))).toBe(true);
  });
});

test('of many large uploads, a few are read in each turn of the event loop', () => {
  const resumed: number[] = [];
  const requests = Array.from({ length: 40 }, (_, i) => {
    return { pause: () => undefined, resume: () => resumed.push(i) } as unknown as IncomingMessage;
  });
  for (const request of requests) pace(request);
  endPace(requests[0] as IncomingMessage);
  vi.advanceTimersToNextTimer();
  expect(resumed).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  vi.advanceTimersToNextTimer();
  vi.advanceTimersToNextTimer();
  expect(resumed).toHaveLength(39);
  expect(vi.getTimerCount()).toBe(0);
});

describe('a body that is discarded', () => {
  const discard = (socket: object = {}) => {
    const destroy = vi.fn();
    const own = Object.assign(socket, { destroySoon: () => undefined });
    const kind = { socket: own, httpVersionMajor: 1, destroy, pause: () => undefined, resume: () => undefined };
    const request = Object.assign(new EventEmitter(), kind) as unknown as IncomingMessage;
    discardBody(request);
    return { request, destroy };
  };

  test('is cut off after 5 s of silence', () => {
    const { request, destroy } = discard();
    vi.advanceTimersByTime(4_000);
    request.emit('data', Buffer.alloc(1));
    vi.advanceTimersByTime(4_999);
    expect(destroy).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(destroy).toHaveBeenCalled();
    request.emit('close');
  });

  test('is cut off after 30 s, even if data still arrives', () => {
    const { request, destroy } = discard();
    for (let i = 0; i < 15; i++) {
      vi.advanceTimersByTime(2_000);
      request.emit('data', Buffer.alloc(1));
    }
    expect(destroy).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2_000);
    request.emit('data', Buffer.alloc(1));
    expect(destroy).toHaveBeenCalled();
    request.emit('close');
  });

  test('is cut off after 64 MiB of its connection', () => {
    const socket = {};
    const mebibytes = (request: IncomingMessage, count: number): void => {
      for (let i = 0; i < count; i++) request.emit('data', Buffer.alloc(1024 * 1024));
      request.emit('close');
    };
    for (const count of [40, 24]) {
      const { request, destroy } = discard(socket);
      mebibytes(request, count);
      expect(destroy).not.toHaveBeenCalled();
    }
    const { request, destroy } = discard(socket);
    mebibytes(request, 1);
    expect(destroy).toHaveBeenCalled();
  });

  test('is cut off if it comes in many pieces', () => {
    const { request, destroy } = discard();
    for (let i = 0; i < 1_100; i++) request.emit('data', Buffer.alloc(1));
    expect(destroy).toHaveBeenCalled();
    request.emit('close');
  });
});
