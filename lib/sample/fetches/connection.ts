/**
 * Fetches from the client connection (manual, 7.3.3): addresses, ports, the listener, what the kernel and the
 * system know of them. The figures of TCP_INFO (`fc_rtt` and its kin) are not there: Node does not give them.
 */
import { networkInterfaces } from 'node:os';
import { IpAddress } from '../../core/address.js';
import type { Clock } from '../../core/clock.js';
import type { CompileContext, Evaluate, FetchDescriptor, StreamView } from '../types.js';
import { plain } from './define.js';

/** How long the list of the system's own addresses is believed. */
const LOCAL_ADDRESSES_LIFE_MS = 1000;

let localAddresses: ReadonlySet<string> = new Set();
let localAddressesReadAtMs = Number.NEGATIVE_INFINITY;

/** Whether an address belongs to this machine; unix sockets (no address) do. */
function isLocal(address: IpAddress | undefined, clock: Clock): boolean {
	if (address === undefined) return true;
	const plainAddress = address.toV4() ?? address;
	if (plainAddress.family === 4 && plainAddress.v4 >>> 24 === 127) return true;
	const nowMs = clock.monotonicMs();
	if (nowMs - localAddressesReadAtMs >= LOCAL_ADDRESSES_LIFE_MS) {
		const entries = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
		localAddresses = new Set(
			entries.map((entry) => IpAddress.parse(entry.address.replace(/%.*$/, ''))?.toString() ?? ''),
		);
		localAddressesReadAtMs = nowMs;
	}
	return localAddresses.has(plainAddress.toString());
}

function localFetch(address: (stream: StreamView) => IpAddress | undefined): FetchDescriptor['compile'] {
	return (_args, context: CompileContext): Evaluate => {
		const clock = context.process.clock;
		return (stream) => isLocal(address(stream), clock);
	};
}

const localRow = (name: string, address: (stream: StreamView) => IpAddress | undefined): FetchDescriptor => ({
	name,
	args: [],
	type: 'bool',
	needs: ['session'],
	compile: localFetch(address),
});

const ends = ({ session }: StreamView): NonNullable<StreamView['session']['connection']> =>
	session.connection ?? session;

export const CONNECTION_FETCHES: readonly FetchDescriptor[] = [
	plain('src', 'addr', 'session', (stream) => stream.session.source),
	plain('src_port', 'sint', 'session', (stream) =>
		stream.session.source === undefined ? undefined : stream.session.sourcePort,
	),
	plain('dst', 'addr', 'session', (stream) => stream.session.destination),
	plain('dst_port', 'sint', 'session', (stream) =>
		stream.session.destination === undefined ? undefined : stream.session.destinationPort,
	),
	localRow('src_is_local', (stream) => stream.session.source),
	localRow('dst_is_local', (stream) => stream.session.destination),
	// The connection itself, whatever rules of its streams have set.
	plain('fc_src', 'addr', 'session', (stream) => ends(stream).source),
	plain('fc_src_port', 'sint', 'session', (stream) =>
		ends(stream).source === undefined ? undefined : ends(stream).sourcePort,
	),
	plain('fc_dst', 'addr', 'session', (stream) => ends(stream).destination),
	plain('fc_dst_port', 'sint', 'session', (stream) =>
		ends(stream).destination === undefined ? undefined : ends(stream).destinationPort,
	),
	localRow('fc_src_is_local', (stream) => ends(stream).source),
	localRow('fc_dst_is_local', (stream) => ends(stream).destination),
	// On the same bind line, this one included.
	plain('dst_conn', 'sint', 'session', (stream) => stream.session.listenerConnections),
	plain('so_id', 'sint', 'session', (stream) => stream.session.listenerId),
	plain('so_name', 'str', 'session', (stream) => stream.session.listenerName),
	plain('fc_http_major', 'sint', 'session', (stream) => ((stream.request?.version ?? 11) >= 20 ? 2 : 1)),
	plain('http_first_req', 'bool', 'stream', (stream) => stream.session.requestCount <= 1),
	plain('bc_src', 'addr', 'response', (stream) => stream.log.serverSideSource),
	plain('bc_src_port', 'sint', 'response', (stream) => stream.log.serverSideSourcePort),
	plain('bc_dst', 'addr', 'response', (stream) =>
		stream.server === undefined ? undefined : IpAddress.parse(stream.server.address),
	),
	plain('bc_dst_port', 'sint', 'response', (stream) => stream.server?.port),
];
