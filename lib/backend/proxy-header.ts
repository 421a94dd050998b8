/** The header of the PROXY protocol that a connection to a server begins with (manual, 5.2 `send-proxy`). */
import type { ServerModel } from '../config/model.js';
import { writeProxyHeader, writeProxyLine } from '../core/proxy-protocol.js';
import type { SessionView } from '../sample/types.js';

/** Undefined without `send-proxy`. A client on a unix socket has no addresses: UNKNOWN, LOCAL. */
export function proxyHeaderFor(model: ServerModel, session: SessionView): Buffer | undefined {
	if (model.sendProxy === 'none') return undefined;
	const { source, sourcePort, destination, destinationPort } = session;
	const endpoints =
		source === undefined || destination === undefined
			? undefined
			: { source, sourcePort, destination, destinationPort };
	return model.sendProxy === 'v2' ? writeProxyHeader(endpoints) : writeProxyLine(endpoints);
}
