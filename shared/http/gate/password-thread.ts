/** Runs in the thread of password-checker.ts. */
import { compareSync } from 'bcryptjs';

export interface PasswordTask {
  readonly password: string;
  readonly hash: string;
}

/** Takes tens of milliseconds or more, depending on the cost in the hash. */
export default function comparePassword({ password, hash }: PasswordTask): boolean {
  return compareSync(password, hash);
}
