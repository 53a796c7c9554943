/**
 * Basic authentication against bcrypt hashes. A check is expensive on purpose, so its outcome is remembered, by a hash of
 * user and password; the right ones apart from the wrong ones, so that no number of wrong ones makes us forget a right one.
 * While a password is being checked, other requests with the same one wait for the same check.
 */
import { hash as digest, randomBytes } from 'node:crypto';
import type { PasswordChecker } from './password-checker.ts';

export type Verdict = 'accepted' | 'refused' | 'overloaded';

const MAX_REMEMBERED = 1_024;
/** The part of a hash that says how it is made: `$2y$10$` and 22 characters of salt. */
const SALT_LENGTH = 29;

export class BasicAuth {
  readonly users: ReadonlyMap<string, string>;
  readonly #checker: PasswordChecker;
  readonly #salt = randomBytes(16).toString('hex');
  readonly #nobodysHash: string;
  readonly #accepted = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #underWay = new Map<string, Promise<Verdict>>();

  /** `users`: name → bcrypt hash, at least one. */
  constructor(users: ReadonlyMap<string, string>, checker: PasswordChecker) {
    this.users = users;
    this.#checker = checker;
    // For a user that does not exist the same is computed as for one that does, so that the time does not tell. Where costs
    // differ the lowest is taken, or asking for users that do not exist would be the dearest request of all.
    const [cheapest = ''] = [...users.values()].toSorted((a, b) => costOf(a) - costOf(b));
    this.#nobodysHash = cheapest.slice(0, SALT_LENGTH).padEnd(cheapest.length, '.');
  }

  /** `from`: the client's address. A promise only when the password has to be checked; it may reject. */
  check(authorization: string | undefined, from: string): Verdict | Promise<Verdict> {
    const given = readCredentials(authorization);
    if (given === undefined) return 'refused';
    const { user, password } = given;
    // A user has no colon in it.
    const key = digest('sha256', `${this.#salt}:${user}:${password}`, 'base64');
    if (this.#accepted.has(key)) return 'accepted';
    if (this.#refused.has(key)) return 'refused';
    return this.#underWay.get(key) ?? this.#start(key, user, password, from);
  }

  #start(key: string, user: string, password: string, from: string): Verdict | Promise<Verdict> {
    const hash = this.users.get(user);
    const check = this.#checker.check(password, hash ?? this.#nobodysHash, from);
    if (check === undefined) return 'overloaded';
    const verdict = this.#conclude(key, hash !== undefined, check);
    this.#underWay.set(key, verdict);
    return verdict;
  }

  async #conclude(key: string, isUser: boolean, check: Promise<boolean>): Promise<Verdict> {
    try {
      const isAccepted = (await check) && isUser;
      remember(isAccepted ? this.#accepted : this.#refused, key);
      return isAccepted ? 'accepted' : 'refused';
    } finally {
      this.#underWay.delete(key);
    }
  }
}

/** The oldest is forgotten when there are too many. */
function remember(keys: Set<string>, key: string): void {
  if (keys.size >= MAX_REMEMBERED) {
    for (const oldest of keys) {
      keys.delete(oldest);
      break;
    }
  }
  keys.add(key);
}

/** RFC 7617. Undefined when there are none. */
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
