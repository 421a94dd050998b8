/**
 * Answers made piece by piece: a generator of texts becomes a `ReplySource` whose pieces are about one write large.
 * A piece ends when it is full or when making it has taken its share of the thread's time, so that neither ten thousand
 * servers nor a slow client stop anybody else. Texts are byte strings.
 */
import type { ReplySource } from '../rules/stream-control.js';

const PIECE_BYTES = 32 * 1024;
const PIECE_MS = 4;
const NOTHING = Buffer.alloc(0);

export class TextSource implements ReplySource {
	onMore: (() => void) | undefined;
	readonly #texts: Iterator<string>;
	#done = false;

	constructor(texts: Iterable<string>) {
		this.#texts = texts[Symbol.iterator]();
	}

	pull(): Buffer | undefined {
		if (this.#done) return undefined;
		const untilMs = performance.now() + PIECE_MS;
		let text = '';
		while (text.length < PIECE_BYTES && performance.now() < untilMs) {
			const next = this.#texts.next();
			if (next.done === true) {
				this.#done = true;
				break;
			}
			text += next.value;
		}
		if (text === '') {
			if (this.#done) return undefined;
			// Nothing to show for this turn's work: go on in the next.
			this.onMore?.();
			return NOTHING;
		}
		return Buffer.from(text, 'latin1');
	}

	close(): void {
		this.#done = true;
		this.#texts.return?.();
	}
}
