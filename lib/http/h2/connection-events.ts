/**
 * What a connection of HTTP/2 (connection.ts) is made with, and what it tells whoever owns it.
 */
import type { FieldList } from './field-list.js';
import type { FloodGuard } from './flood-guard.js';
import type { HpackLimits } from './hpack-decoder.js';
import type { OutputBuffers } from './output.js';
import type { H2Settings } from './settings.js';
import type { H2Stream } from './stream.js';
import type { Tallied } from './tally.js';

/** What a connection tells its owner. Calls come from within `receive`, `output.pump` and the owner's own calls. */
export interface H2Events<T> {
	/**
	 * A head: in the server's role of a new request, in the client's of an interim or the final response. `ends`:
	 * nothing follows. The fields are valid during the call; `fields.isTooLarge`: some are missing.
	 */
	headReceived(stream: H2Stream<T>, fields: FieldList, ends: boolean): void;
	/** Payload, valid during the call. To be answered by `consumed`, at once or later. */
	payloadReceived(stream: H2Stream<T>, bytes: Buffer, start: number, end: number): void;
	/** Fields after the payload; `remoteEnded` follows unless the stream was reset meanwhile. */
	trailersReceived(stream: H2Stream<T>, fields: FieldList): void;
	/** END_STREAM, when it did not come with the head. */
	remoteEnded(stream: H2Stream<T>): void;
	/** The stream is over before its time: the peer has said so, or has broken a rule (`byPeer` false). */
	streamReset(stream: H2Stream<T>, code: number, byPeer: boolean): void;
	/** Both ends are done. */
	streamClosed(stream: H2Stream<T>): void;
	/** Payload that waited has gone into the output: `stream.queuedBytes` is less than before. */
	dataTaken(stream: H2Stream<T>): void;
	/**
	 * The output is full while more payload is at hand. To be written and no more: no event may be answered within.
	 * Without it what does not fit waits in a copy.
	 */
	outputFull?(): void;
	/** The peer's settings have come, for the first time or anew. */
	settingsReceived(): void;
	/** Our `ping` was answered. */
	pingAnswered(): void;
	/** The peer opens no more streams, or takes none above `lastStreamId` of ours. */
	goawayReceived(lastStreamId: number, code: number): void;
	/** The peer has done something odd: `glitches` is one more. */
	glitchSeen?(): void;
	/** The peer has broken the connection's rules; GOAWAY is in the output. */
	connectionFailed(code: number, reason: string): void;
}

export interface H2Options {
	readonly role: 'server' | 'client';
	/** What we tell the peer of us. */
	readonly settings: Partial<H2Settings>;
	/** Payload that all streams together may have unread; at least 65535. */
	readonly connectionWindowBytes: number;
	/** Of one list of fields, pseudo fields included; what is beyond is not given on. */
	readonly limits: HpackLimits;
	/** Bytes of one encoded block; beyond, the connection ends. */
	readonly blockSizeMax: number;
	readonly buffers: OutputBuffers;
	/** Where its frames, streams and errors are counted. */
	readonly tally?: Tallied | undefined;
	/** Undefined: the peer is one of ours. */
	readonly guard?: FloodGuard | undefined;
	/** So many oddities end the connection, harmless ones too (`tune.h2.fe.glitches-threshold`); 0: never. */
	readonly glitchesMax?: number;
}
