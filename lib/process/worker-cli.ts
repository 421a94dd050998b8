/**
 * Commands that the master's CLI forwards to this worker (`@1 show info`): run as those of a stats socket are,
 * and answered in pieces that the master asks for one by one, so that a long table waits for a slow client
 * here and not in anybody's memory.
 */
import { reasonOf } from '../core/errors.js';
import { type CliState, isMessage } from '../runtime-api/command.js';
import type { RuntimeApi } from '../runtime-api/socket.js';
import type { FromWorker, ToWorker } from './messages.js';

const PIECE_CHARS = 64 * 1024;

type CliMessage = Extract<ToWorker, { kind: 'cli' | 'cli-next' | 'cli-end' }>;

export class WorkerCli {
	readonly #api: RuntimeApi;
	readonly #tellMaster: (message: FromWorker) => void;
	readonly #answers = new Map<number, { pieces: AsyncGenerator<string>; abort: AbortController }>();

	constructor(api: RuntimeApi, tellMaster: (message: FromWorker) => void) {
		this.#api = api;
		this.#tellMaster = tellMaster;
	}

	receive(message: CliMessage): void {
		const { id } = message;
		switch (message.kind) {
			case 'cli': {
				const abort = new AbortController();
				this.#answers.set(id, { pieces: this.#answer(message, abort.signal), abort });
				void this.#sendNext(id);
				break;
			}
			case 'cli-next':
				void this.#sendNext(id);
				break;
			case 'cli-end':
				this.#answers.get(id)?.abort.abort();
				this.#answers.delete(id);
				break;
		}
	}

	async #sendNext(id: number): Promise<void> {
		const answer = this.#answers.get(id);
		if (answer === undefined) return;
		const { done, value } = await answer.pieces.next().catch(() => ({ done: true, value: undefined }) as const);
		if (done === true) this.#answers.delete(id);
		this.#tellMaster({ kind: 'cli-piece', id, text: value ?? '', isLast: done === true });
	}

	async *#answer(
		{ words, payload, level }: Extract<CliMessage, { kind: 'cli' }>,
		signal: AbortSignal,
	): AsyncGenerator<string> {
		const state: CliState = {
			level,
			interactive: false,
			severityOutput: 'none',
			timeoutMs: 0,
			expertMode: false,
			experimentalMode: false,
			quitting: false,
			signal,
		};
		try {
			const answer = await this.#api.run(words, payload, state);
			if (typeof answer === 'string') yield answer;
			else if (isMessage(answer)) yield `${answer.message}\n`;
			else {
				let piece = '';
				for await (const text of answer) {
					piece += text;
					if (piece.length < PIECE_CHARS) continue;
					yield piece;
					piece = '';
				}
				yield piece;
			}
		} catch (error) {
			yield `Internal error: ${reasonOf(error)}\n`;
		}
	}
}
