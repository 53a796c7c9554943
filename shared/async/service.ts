/** destroy() awaits the work in progress; it may be called at any time and more than once. */
export interface Service {
  start(): Promise<void>;
  destroy(): Promise<void>;
}
