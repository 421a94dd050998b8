/**
 * The body of a response on its way from a server's connection to the client's: taken out of the framing in which it
 * comes, put into the one that the client's version has, and held back when the client is slower. Where both have the
 * same it passes as it is, in the buffers that it was read into.
 */
import { ChunkedDecoder } from '../../http/body-framing.js';
import type { BodyFraming, HeaderList } from '../../http/message.js';
import type { HttpRefusal } from '../../http/refusal.js';
import type { Stream } from '../stream.js';
import type { ClientConnection } from './client-connection.js';
import { Connection, WRITE_LIMIT_BYTES } from './connection.js';
import type { FilteredBody } from './filtered-body.js';
import { READ_BUFFER_BYTES } from './read-buffers.js';

/** How the body is taken apart and put together again for the client. */
const Relay = { NONE: 0, LENGTH: 1, CHUNKED: 2, UNTIL_CLOSE: 3, DECHUNKED: 4, TO_CHUNKS: 5 } as const;

export abstract class ResponseRelay extends Connection {
	/** Whose exchange it serves. */
	client: ClientConnection | undefined;
	#relay: number = Relay.NONE;
	/** Body bytes still due with a length. */
	#remainingBytes = 0;
	#decoder: ChunkedDecoder | undefined;
	/** The body passes through filters; undefined: as it is. */
	#filtered: FilteredBody | undefined;

	/** The chunk as text, as far as it was decoded with the head: a small body needs no second decoding. */
	protected bodyText = '';
	protected bodyTextStart = 0;
	protected bodyTextOffset = 0;

	/** Messages end by themselves: what comes behind a head is payload, and `endReceived` its end. */
	get hasFrames(): boolean {
		return false;
	}

	/** Fields after the payload, where it has no chunks. */
	protected get trailers(): HeaderList | undefined {
		return undefined;
	}

	/** Something was given to the client. */
	abstract touch(nowMs: number): void;
	/** The last byte was given to the client, or to the filters. */
	protected abstract responseEnded(client: ClientConnection): void;
	/** The position counts from the chunk's first byte. */
	protected abstract malformedBody(refusal: HttpRefusal | undefined): void;

	/** A body with this framing comes. `dechunk`: the client gets its payload alone. */
	protected beginRelay(framing: BodyFraming, dechunk: boolean, filtered: FilteredBody | undefined): void {
		this.#filtered = filtered;
		switch (framing.kind) {
			case 'none':
				this.#relay = Relay.NONE;
				break;
			case 'length':
				this.#relay = Relay.LENGTH;
				this.#remainingBytes = framing.length;
				break;
			case 'chunked':
				if (this.hasFrames) {
					this.#relay = dechunk ? Relay.UNTIL_CLOSE : Relay.TO_CHUNKS;
					break;
				}
				this.#relay = dechunk ? Relay.DECHUNKED : Relay.CHUNKED;
				if (this.#decoder === undefined) this.#decoder = new ChunkedDecoder();
				else this.#decoder.reset();
				break;
			case 'close':
				this.#relay = Relay.UNTIL_CLOSE;
				break;
		}
	}

	/** Nothing but the end of the connection, or of the stream that it stands for, ends the body. */
	protected get endsWithConnection(): boolean {
		return this.#relay === Relay.UNTIL_CLOSE || this.#relay === Relay.TO_CHUNKS;
	}

	/** What the body went through; it is over. */
	protected takeFiltered(): FilteredBody | undefined {
		const filtered = this.#filtered;
		this.#filtered = undefined;
		return filtered;
	}

	protected relayBody(prefix: string): void {
		const client = this.client;
		const stream = client?.stream;
		if (client === undefined || stream === undefined) {
			this.destroy();
			return;
		}
		if (this.#filtered !== undefined) {
			this.#relayFiltered(client, stream, this.#filtered);
			return;
		}
		const start = this.chunkStart;
		let end = this.chunkEnd;
		let done = false;
		switch (this.#relay) {
			case Relay.NONE:
				end = start;
				done = true;
				break;
			case Relay.LENGTH:
				if (end - start >= this.#remainingBytes) {
					end = start + this.#remainingBytes;
					done = true;
				}
				this.#remainingBytes -= end - start;
				stream.responseBodyBytes += end - start;
				this.bulk = this.#remainingBytes > READ_BUFFER_BYTES / 4;
				break;
			case Relay.UNTIL_CLOSE:
				stream.responseBodyBytes += end - start;
				this.bulk = true;
				break;
			case Relay.TO_CHUNKS:
				stream.responseBodyBytes += end - start;
				if (end > start) {
					this.chunkStart = end;
					this.passOn(client, `${prefix}${(end - start).toString(16)}\r\n`, start, end, '\r\n');
					this.#relayed(client, false);
					return;
				}
				break;
			default: {
				const decoder = this.#decoder as ChunkedDecoder;
				const before = decoder.payloadSize;
				let payload = '';
				const visit =
					this.#relay === Relay.DECHUNKED
						? client.copies
							? (buffer: Buffer, from: number, to: number) => client.writePart(buffer, from, to)
							: (buffer: Buffer, from: number, to: number) => {
									payload += buffer.toString('latin1', from, to);
								}
						: undefined;
				end = decoder.push(this.chunk, start, end, visit);
				if (end < 0) {
					if (prefix.length > 0) client.writeText(prefix);
					this.malformedBody(decoder.refusal);
					return;
				}
				stream.responseBodyBytes += decoder.payloadSize - before;
				done = decoder.isDone;
				this.bulk = !done && end - start > READ_BUFFER_BYTES / 4;
				if (this.#relay === Relay.DECHUNKED) {
					this.chunkStart = end;
					if (prefix.length + payload.length > 0) client.writeText(prefix + payload);
					if (done && decoder.trailers !== undefined) client.trailersCame(decoder.trailers);
					this.#relayed(client, done);
					return;
				}
			}
		}
		if (done) this.bulk = false;
		this.chunkStart = end;
		if (end > start) {
			const textStart = start - this.bodyTextOffset;
			const textEnd = end - this.bodyTextOffset;
			if (this.bodyText !== '' && textStart >= this.bodyTextStart && textEnd <= this.bodyText.length) {
				client.writeText(prefix + this.bodyText.slice(textStart, textEnd));
			} else this.passOn(client, prefix, start, end);
		} else if (prefix.length > 0) client.writeText(prefix);
		this.#relayed(client, done);
	}

	/** The same for a body that passes through filters: its payload goes there. */
	#relayFiltered(client: ClientConnection, stream: Stream, filtered: FilteredBody): void {
		const { chunk, chunkStart: start } = this;
		let end = this.chunkEnd;
		let done = false;
		if (this.#relay === Relay.CHUNKED || this.#relay === Relay.DECHUNKED) {
			const decoder = this.#decoder as ChunkedDecoder;
			const before = decoder.payloadSize;
			const taken = decoder.push(chunk, start, end, (bytes, from, to) => filtered.push(bytes, from, to));
			if (taken < 0) {
				filtered.flushHead();
				this.malformedBody(decoder.refusal);
				return;
			}
			end = taken;
			stream.responseBodyBytes += decoder.payloadSize - before;
			done = decoder.isDone;
			if (done && decoder.trailers !== undefined) {
				filtered.trailers = fieldText(decoder.trailers);
				client.trailersCame(decoder.trailers);
			}
		} else {
			if (this.#relay === Relay.LENGTH) {
				end = Math.min(end, start + this.#remainingBytes);
				this.#remainingBytes -= end - start;
				done = this.#remainingBytes === 0;
			} else if (this.#relay === Relay.NONE) {
				end = start;
				done = true;
			}
			stream.responseBodyBytes += end - start;
			filtered.push(chunk, start, end);
		}
		this.chunkStart = end;
		if (done) {
			this.responseEnded(client);
			return;
		}
		const nowMs = this.thread.currentMs;
		this.touch(nowMs);
		if (!filtered.isFull) return;
		this.pauseReading();
		if (client.unwrittenBytes > 0) client.sourceWaits(nowMs);
	}

	/** Something was given to the client: is it all, is it too much at once? */
	#relayed(client: ClientConnection, done: boolean): void {
		if (done) {
			this.responseEnded(client);
			return;
		}
		const nowMs = this.thread.currentMs;
		this.touch(nowMs);
		if (client.unwrittenBytes > WRITE_LIMIT_BYTES) {
			this.pauseReading();
			client.sourceWaits(nowMs);
		}
	}

	/** The end of a body that nothing else ends. */
	protected endedByServer(client: ClientConnection): void {
		const { trailers } = this;
		if (trailers !== undefined) {
			if (this.#filtered !== undefined) this.#filtered.trailers = fieldText(trailers);
			client.trailersCame(trailers);
		}
		if (this.#relay === Relay.TO_CHUNKS && this.#filtered === undefined) {
			client.writeText(`0\r\n${trailers === undefined ? '' : fieldText(trailers)}\r\n`);
		}
		this.responseEnded(client);
	}
}

function fieldText(fields: HeaderList): string {
	let text = '';
	for (let i = 0; i < fields.length; i++) text += `${fields.names[i]}: ${fields.values[i]}\r\n`;
	return text;
}
