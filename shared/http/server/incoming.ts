/** Requests of HTTP/1.1 as Node's parser makes them. */
import { IncomingMessage } from 'node:http';

/**
 * Ends the parser's work as soon as the connection is destroyed. Otherwise it would still make a request and a response
 * of everything in the chunk that it has read, several thousand of each, which takes up to 0.1 s.
 *
 * Node has no method for that, but it leaves a chunk alone after a request that switches to another protocol.
 */
export class Incoming extends IncomingMessage {
  declare private switches: boolean | null;
  /**
   * It asks for another protocol, which Node ignores; but it drops what followed in the same chunk, and would read the
   * next chunk from the middle of a request. So nothing else may be answered on the connection.
   */
  declare readonly isLast: boolean | undefined;

  get upgrade(): boolean | null {
    return this.socket.destroyed || this.switches;
  }

  /** CONNECT switches too, but Node closes the connection then, before earlier requests on it are answered. */
  set upgrade(switches: boolean | null) {
    if (switches === true) Object.assign(this, { isLast: true });
    this.switches = this.method === 'CONNECT' ? false : switches;
  }
}
