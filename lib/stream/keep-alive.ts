/** `option srvtcpka` (manual, 4.2): the system is to find out that a server is gone, on a connection that is new. */
import type { Socket } from 'node:net';
import { keepAliveIdleS } from '../core/keep-alive.js';
import type { Stream } from './stream.js';

export function keepAlive(stream: Stream | undefined, socket: Socket | undefined): void {
	const model = stream?.backendTraffic?.model;
	if (model?.options.srvtcpka === true) socket?.setKeepAlive(true, keepAliveIdleS(model.srvtcpkaIdleMs) * 1000);
}
