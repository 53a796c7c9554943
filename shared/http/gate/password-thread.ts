/** The thread's side of password-checker.ts. */
import { compareSync } from 'bcryptjs';

export interface PasswordTask {
  readonly password: string;
  readonly hash: string;
}

/** Takes tens of milliseconds and more, by the cost in the hash. */
export default function comparePassword({ password, hash }: PasswordTask): boolean {
  return compareSync(password, hash);
}
