/**
 * Basic authentication against bcrypt hashes. A check is expensive by design, so its result is remembered under a hash
 * of user and password. Accepted and refused passwords are remembered separately, so that wrong ones cannot displace
 * right ones. Requests with a password that is being checked wait for that check.
 */
import { hash as digest, randomBytes } from 'node:crypto';
import type { PasswordChecker } from './password-checker.ts';

export type Verdict = 'accepted' | 'refused' | 'overloaded';

/** Of accepted and of refused passwords each. */
const MAX_REMEMBERED = 1_024;
/** Length of a hash up to its salt: `$2y$10$` and 22 characters. */
const SALT_LENGTH = 29;

export class BasicAuth {
  readonly users: ReadonlyMap<string, string>;
  readonly #checker: PasswordChecker;
  readonly #salt = randomBytes(16).toString('hex');
  readonly #decoyHash: string;
  readonly #accepted = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #checking = new Map<string, Promise<Verdict>>();

  /** `users`: name → bcrypt hash, not empty. */
  constructor(users: ReadonlyMap<string, string>, checker: PasswordChecker) {
    this.users = users;
    this.#checker = checker;
    // Unknown users are checked against a decoy, so that the time does not reveal which users exist. The lowest cost is
    // used: otherwise requests for unknown users would be the most expensive of all.
    const [cheapest = ''] = [...users.values()].toSorted((a, b) => costOf(a) - costOf(b));
    this.#decoyHash = cheapest.slice(0, SALT_LENGTH).padEnd(cheapest.length, '.');
  }

  /** `from`: see clientKey(). Returns a promise only if the password has to be checked; it may reject. */
  check(authorization: string | undefined, from: string): Verdict | Promise<Verdict> {
    const credentials = readCredentials(authorization);
    if (credentials === undefined) return 'refused';
    const { user, password } = credentials;
    // A user name has no colon, so the key is unambiguous.
    const key = digest('sha256', `${this.#salt}:${user}:${password}`, 'base64');
    if (this.#accepted.has(key)) return 'accepted';
    if (this.#refused.has(key)) return 'refused';
    return this.#checking.get(key) ?? this.#start(key, user, password, from);
  }

  #start(key: string, user: string, password: string, from: string): Verdict | Promise<Verdict> {
    const hash = this.users.get(user);
    const check = this.#checker.check(password, hash ?? this.#decoyHash, from);
    if (check === undefined) return 'overloaded';
    const verdict = this.#conclude(key, hash !== undefined, check);
    this.#checking.set(key, verdict);
    return verdict;
  }

  async #conclude(key: string, isUser: boolean, check: Promise<boolean | undefined>): Promise<Verdict> {
    try {
      const isRight = await check;
      if (isRight === undefined) return 'overloaded';
      const isAccepted = isRight && isUser;
      remember(isAccepted ? this.#accepted : this.#refused, key);
      return isAccepted ? 'accepted' : 'refused';
    } finally {
      this.#checking.delete(key);
    }
  }
}

/** Forgets the oldest key when the set is full. */
function remember(keys: Set<string>, key: string): void {
  if (keys.size >= MAX_REMEMBERED) {
    for (const oldest of keys) {
      keys.delete(oldest);
      break;
    }
  }
  keys.add(key);
}

/** RFC 7617. Undefined if there are none. */
function readCredentials(authorization: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic +([\w+/=-]+) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, 'base64').toString();
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

function costOf(hash: string): number {
  return Number(/^\$2.?\$(\d\d)/.exec(hash)?.[1] ?? 0);
}
