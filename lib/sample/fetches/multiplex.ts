/**
 * Fetches of connections that may carry several streams at once (manual, 7.3.3; most came after HAProxy 2.6). One of
 * HTTP/1 or of mode tcp carries one, and cannot do anything odd that would not end it.
 */
import type { FetchDescriptor, MultiplexView, StreamView } from '../types.js';
import { plain } from './define.js';

const ONE_STREAM: MultiplexView = { openStreams: 1, streamsLimit: 1, glitches: 0 };

/** Undefined as long as there is no server. */
function serverSide(stream: StreamView): MultiplexView | undefined {
	return stream.server === undefined ? undefined : (stream.serverMultiplex ?? ONE_STREAM);
}

const clientSide = (stream: StreamView): MultiplexView => stream.clientMultiplex ?? ONE_STREAM;

export const MULTIPLEX_FETCHES: readonly FetchDescriptor[] = [
	plain('fc_nb_streams', 'sint', 'session', (stream) => clientSide(stream).openStreams),
	plain('fc_settings_streams_limit', 'sint', 'session', (stream) => clientSide(stream).streamsLimit),
	plain('fc_glitches', 'sint', 'session', (stream) => clientSide(stream).glitches),
	plain('bc_http_major', 'sint', 'response', (stream) =>
		stream.server === undefined ? undefined : stream.serverMultiplex === undefined ? 1 : 2,
	),
	plain('bc_nb_streams', 'sint', 'response', (stream) => serverSide(stream)?.openStreams),
	plain('bc_setting_streams_limit', 'sint', 'response', (stream) => serverSide(stream)?.streamsLimit),
	plain('bc_glitches', 'sint', 'response', (stream) => serverSide(stream)?.glitches),
	plain('bc_reused', 'bool', 'response', (stream) =>
		stream.server === undefined ? undefined : stream.serverReused === true,
	),
];
