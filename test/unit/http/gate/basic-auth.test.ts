import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BasicAuth, type Verdict } from '../../../../shared/http/gate/basic-auth.ts';
import { FairPasswordChecker } from '../../../../shared/http/gate/password-checker.ts';
import comparePassword from '../../../../shared/http/gate/password-thread.ts';
import { RateLimiter } from '../../../../shared/http/gate/rate-limiter.ts';
import { readWebConfig } from '../../../../shared/http/web-config/web-config-file.ts';
import { projectFolder } from '../../../support/project.ts';

const HASH = '$2y$10$2UXri9cIDdgeKjBo4Rlpx.U3ZLDV8X1IxKmsfOvhcM5oXQt/mLmXq';
const CHEAP = '$2b$04$ZTxOZo5iZCOcMCBxyDYW7.vU9Yu3WQVK4iNbcW.zJTcOnXKE5M0nq';

const basic = (credentials: string) => `Basic ${Buffer.from(credentials).toString('base64')}`;

/** The results; some may be promises. */
async function all<T>(outcomes: readonly (T | Promise<T>)[]): Promise<T[]> {
  return await Promise.all(outcomes.map(async (outcome) => await outcome));
}

/** Checks that the test completes; a password is right if it is the user's hash reversed. */
class SlowChecks {
  readonly asked: { password: string; hash: string; from: string; settle: (isRight: boolean | undefined) => void }[] =
    [];
  isFull = false;

  check(password: string, hash: string, from: string): Promise<boolean | undefined> | undefined {
    if (this.isFull) return undefined;
    return new Promise((settle) => {
      this.asked.push({ password, hash, from, settle });
    });
  }
}

describe('bcrypt', () => {
  test.each([
    ['dave123', HASH, true],
    ['dave124', HASH, false],
    ['', HASH, false],
    ['x', `$2b$04$${'.'.repeat(53)}`, false],
  ])('%j against %j: %j', (password, hash, isRight) => {
    expect(comparePassword({ password, hash })).toBe(isRight);
  });
});

test('the example file states its password', () => {
  const { file, faults } = readWebConfig(readFileSync(join(projectFolder, 'examples/web-config.yml'), 'utf8'), 'f');
  expect(faults).toEqual([]);
  expect(comparePassword({ password: 'sesame', hash: file.users.get('prometheus') ?? '' })).toBe(true);
});

describe('basic authentication', () => {
  const users = new Map([
    ['dear', HASH],
    ['cheap', CHEAP],
  ]);

  function start() {
    const checks = new SlowChecks();
    const auth = new BasicAuth(users, checks);
    return { checks, auth, check: (credentials: string, from = 'a') => auth.check(basic(credentials), from) };
  }

  test.each([
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic !!',
    'Bearer ZGVhcjp4',
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    'xBasic ZGVhcjp4',
  ])('%j is refused without a password check', (header) => {
    const { auth, checks } = start();
    expect(auth.check(header, 'a')).toBe('refused');
    expect(checks.asked).toEqual([]);
  });

  test.each(['Basic', 'basic', 'BASIC  '])('the scheme %j', async (scheme) => {
    const { auth, checks } = start();
    const verdict = auth.check(`${scheme} ${Buffer.from('dear:a:b').toString('base64')}`, 'a');
    expect(checks.asked).toMatchObject([{ password: 'a:b', hash: HASH, from: 'a' }]);
    checks.asked[0]?.settle(true);
    expect(await verdict).toBe('accepted');
  });

  test('remembers accepted and refused passwords', async () => {
    const { check, checks } = start();
    const right = check('dear:right');
    const wrong = check('dear:wrong');
    checks.asked[0]?.settle(true);
    checks.asked[1]?.settle(false);
    expect([await right, await wrong]).toEqual(['accepted', 'refused']);
    expect([check('dear:right'), check('dear:wrong')]).toEqual(['accepted', 'refused']);
    expect(checks.asked).toHaveLength(2);
    // Not for another user, and not for the same text with the colon in another place.
    for (const other of ['cheap:right', 'dear:right:', 'dear:', ':dear:right']) {
      expect(check(other)).toBeInstanceOf(Promise);
    }
  });

  test('requests with the same password wait for one check', async () => {
    const { check, checks } = start();
    const verdicts = Array.from({ length: 1000 }, (_, index) => check('dear:right', `client ${index}`));
    expect(checks.asked).toHaveLength(1);
    checks.asked[0]?.settle(true);
    expect(new Set(await all(verdicts))).toEqual(new Set<Verdict>(['accepted']));
  });

  test('an unknown user costs as much as the cheapest known one', async () => {
    const { check, checks } = start();
    const verdict = check('nobody:x');
    expect(checks.asked[0]?.hash).toMatch(/^\$2b\$04\$ZTxOZo5iZCOcMCBxyDYW7\.\.{31}$/);
    checks.asked[0]?.settle(true); // should ever a password fit
    expect(await verdict).toBe('refused');
    expect(check('nobody:x')).toBe('refused');
  });

  test('a dropped check counts as an overload', async () => {
    const { check, checks } = start();
    const verdict = check('dear:right');
    checks.asked[0]?.settle(undefined);
    expect(await verdict).toBe('overloaded');
    expect(check('dear:right')).toBeInstanceOf(Promise);
  });

  test('an overload is reported as such and not remembered', async () => {
    const { check, checks } = start();
    checks.isFull = true;
    expect(check('dear:right')).toBe('overloaded');
    checks.isFull = false;
    expect(check('dear:right')).toBeInstanceOf(Promise);
  });

  test('a flood of wrong passwords does not displace a right one', async () => {
    const { check, checks } = start();
    const right = check('dear:right');
    checks.asked[0]?.settle(true);
    await right;
    const wrong = Array.from({ length: 3_000 }, (_, index) => check(`dear:${index}`));
    for (const { settle } of checks.asked) settle(false);
    await all(wrong);
    expect(check('dear:right')).toBe('accepted');
    expect(check('dear:2999')).toBe('refused');
    expect(check('dear:0')).toBeInstanceOf(Promise);
  });

  test('a check that fails is not remembered', async () => {
    let fails = true;
    const check = async () => {
      if (fails) throw new Error('the thread died');
      return true;
    };
    const auth = new BasicAuth(users, { check });
    await expect(auth.check(basic('dear:x'), 'a')).rejects.toThrow('the thread died');
    fails = false;
    expect(await auth.check(basic('dear:x'), 'a')).toBe('accepted');
  });
});

/** Checks that take a turn of the event loop each; records their order and how many ran at once. */
function startChecker() {
  const order: string[] = [];
  let running = 0;
  const checker = new FairPasswordChecker(async (password) => {
    expect(++running).toBe(1);
    await new Promise(setImmediate);
    running--;
    order.push(password);
    if (password === 'broken') throw new Error('broken');
    return password === 'right';
  });
  return { checker, order };
}

const countOf = (checks: unknown[]) => checks.filter((check) => check !== undefined).length;

describe('password checks', () => {
  test('run one at a time, and addresses take turns', async () => {
    const { checker, order } = startChecker();
    const checks = [
      ...['a1', 'a2', 'a3', 'a4'].map((password) => checker.check(password, HASH, 'a')),
      ...['b1', 'b2'].map((password) => checker.check(password, HASH, 'b')),
      checker.check('right', HASH, 'c'),
    ];
    expect(await all(checks)).toEqual([false, false, false, false, false, false, true]);
    // The newest address is next if it has sent no wrong password.
    expect(order).toEqual(['a1', 'right', 'b1', 'a2', 'b2', 'a3', 'a4']);
    expect(await checker.check('right', HASH, 'a')).toBe(true);
  });

  test('a failed check does not stop the others', async () => {
    const { checker } = startChecker();
    const [broken, right] = [checker.check('broken', HASH, 'a'), checker.check('right', HASH, 'a')];
    await expect(broken).rejects.toThrow('broken');
    expect(await right).toBe(true);
  });

  const ask = (checker: FairPasswordChecker, from: string, count: number) =>
    Array.from({ length: count }, (_, index) => checker.check(`${from}-${index}`, HASH, from));

  test('the waiting checks of one address and of all are limited', async () => {
    const { checker, order } = startChecker();
    const first = ask(checker, 'first', 100);
    expect(countOf(first)).toBe(17); // one is being checked
    const others = Array.from({ length: 100 }, (_, index) => ask(checker, `other ${index}`, 1)).flat();
    const results = await all([...first, ...others]);
    // The longest waiting checks are dropped: first from the longest queue, then those of the last address in turn.
    expect(countOf(results)).toBe(65);
    expect(order).toContain('other 99-0');
    expect(order.filter((one) => one.startsWith('first'))).toEqual(['first-0']);
    expect(await checker.check('right', HASH, 'first')).toBe(true);
  });

  test('five addresses that guess passwords do not block the login of another', async () => {
    const { checker, order } = startChecker();
    const guesses = Array.from({ length: 5 }, (_, index) => ask(checker, `guesser ${index}`, 20)).flat();
    expect(await checker.check('right', HASH, 'somebody')).toBe(true);
    expect(order.at(-1)).toBe('right');
    expect(order).toHaveLength(2);
    const results = await all(guesses);
    expect(countOf(results)).toBe(64);
    // The checks were dropped evenly.
    const left = [0, 1, 2, 3, 4].map((index) => order.filter((one) => one.startsWith(`guesser ${index}`)).length);
    expect(Math.min(...left)).toBeGreaterThanOrEqual(12);
  });

  test('a thousand addresses that guess without a pause do not block it either', async () => {
    const { checker, order } = startChecker();
    const over = new AbortController();
    const guess = async (from: string) => {
      while (!over.signal.aborted) {
        await checker.check('wrong', HASH, from);
        await new Promise(setImmediate);
      }
    };
    const guessers = Array.from({ length: 1_000 }, async (_, index) => await guess(`guesser ${index}`));
    for (let index = 0; index < 20; index++) {
      const before = order.length;
      expect(await checker.check('right', HASH, `somebody ${index}`)).toBe(true);
      // A guessing address without a failed check may come first.
      expect(order.length - before).toBeLessThan(4);
    }
    over.abort();
    await Promise.all(guessers);
  });

  test('a wrong password puts an address behind others until it sends the right one', async () => {
    const order: string[] = [];
    const checker = new FairPasswordChecker(async (password) => {
      await new Promise(setImmediate);
      order.push(password);
      return !password.endsWith('wrong');
    });
    const turns = async (...passwords: readonly [client: string, password: string][]): Promise<string[]> => {
      await new Promise(setImmediate); // the check before has ended
      const before = order.length + 1;
      const checks = [['somebody', 'occupies the thread'] as const, ...passwords];
      await all(checks.map(([client, password]) => checker.check(password, HASH, client)));
      return order.slice(before);
    };
    expect(await turns(['a', 'a right'], ['b', 'b wrong'])).toEqual(['b wrong', 'a right']);
    expect(await turns(['a', 'a wrong'], ['b', 'b wrong'])).toEqual(['a wrong', 'b wrong']);
    expect(await turns(['a', 'a right'], ['b', 'b right'])).toEqual(['b right', 'a right']);
    expect(await turns(['b', 'b wrong'], ['a', 'a right'], ['c', 'c right'])).toEqual([
      'c right',
      'a right',
      'b wrong',
    ]);
    expect(await turns(['a', 'a right'], ['b', 'b right'], ['c', 'c right'])).toEqual([
      'c right',
      'a right',
      'b right',
    ]);
  });
});

describe('rate limit', () => {
  test('allows a burst, then one request per interval', () => {
    let now = 1_000;
    const limiter = new RateLimiter({ intervalMs: 100, burst: 3 }, () => now);
    const takeAll = () => Array.from({ length: 10 }, () => limiter.take()).filter(Boolean).length;
    expect(takeAll()).toBe(3);
    now += 99;
    expect(takeAll()).toBe(0);
    now += 1;
    expect(takeAll()).toBe(1);
    now += 250;
    expect(takeAll()).toBe(2);
    now += 50;
    expect(takeAll()).toBe(1); // the half that was left
    now += 1e9;
    expect(takeAll()).toBe(3);
  });

  test('reports when the next request is allowed', () => {
    let now = 0;
    const limiter = new RateLimiter({ intervalMs: 10_000, burst: 1 }, () => now);
    limiter.take();
    expect(limiter.take()).toBe(false);
    expect(limiter.retryAfterSeconds).toBe(10);
    now = 7_500;
    expect(limiter.take()).toBe(false);
    expect(limiter.retryAfterSeconds).toBe(3);
  });
});
