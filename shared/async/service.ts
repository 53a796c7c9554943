/** `destroy` awaits what is under way, and may be called at any time and more than once. */
export interface Service {
  start(): Promise<void>;
  destroy(): Promise<void>;
}
