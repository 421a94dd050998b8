/**
 * One stream of a connection of HTTP/2 (RFC 9113, section 5.1), as far as the protocol goes: which halves have ended,
 * what its windows allow, which of its bytes wait to be sent. Changed by connection.ts and output.ts alone; what a
 * stream means to whoever owns the connection hangs on `user`.
 *
 *     idle --HEADERS--> open --END_STREAM of one end--> half closed --of the other--> closed
 *                         \------------- RST_STREAM of either end --------------------/
 */

export class H2Stream<T> {
	readonly id: number;
	/** The owner's own. */
	user: T | undefined;
	/** The peer sends no more. */
	remoteEnded = false;
	/** We send no more, and have said so, or will when what is queued has gone. */
	localEnded = false;
	/** The last frame of ours has gone out. */
	localDone = false;
	isClosed = false;
	/** Our head is out: no second one follows but trailers. */
	headSent = false;
	/** The peer's head is here: what follows are trailers. In the client's role interim ones do not count. */
	headReceived = false;

	/** Payload that the peer may still send; below 0 it has sent too much. */
	receiveWindow: number;
	/** Payload that the owner has consumed and the peer was not yet told of. */
	unreturnedBytes = 0;
	/** `content-length`; -1: any. */
	expectedBytes = -1;
	/** Payload of DATA, without padding. */
	receivedBytes = 0;

	/** Payload that we may still send; below 0 after the peer has made its windows smaller. */
	sendWindow: number;
	/** Payload that waits for windows or for the socket: pieces in order, how much of each is used, from where in the first. */
	readonly queue: Buffer[] = [];
	readonly queueEnds: number[] = [];
	queueOffset = 0;
	queuedBytes = 0;
	/** Name, value, ... to follow the last byte. */
	trailers: readonly string[] | undefined;
	/** It stands in the line of streams that have something to send. */
	isScheduled = false;
	/** Where the head of its last frame stands in the output, and in which batch of it. */
	lastFrameAt = 0;
	lastFrameBatch = -1;

	constructor(id: number, receiveWindow: number, sendWindow: number) {
		this.id = id;
		this.receiveWindow = receiveWindow;
		this.sendWindow = sendWindow;
	}
}
