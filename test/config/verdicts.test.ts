/** Each line of verdicts.txt is accepted or refused as it says; `-` in the file means a sentence was said. */
import t from 'tap';
import { load } from './load.js';
import { readVerdictCases } from './verdicts.js';

const cases = readVerdictCases('test/fixtures/config/verdicts.txt');

t.ok(cases.length > 500, `the file has its cases (${cases.length})`);

t.test('verdicts', async (t) => {
	for (const { name, text, acceptedHere } of cases) {
		const { model, remarks } = load(text, { environment: { PATH: '/bin' } });
		t.equal(
			model !== undefined,
			acceptedHere,
			`${name}${acceptedHere ? ` is accepted (${remarks.join('; ')})` : ' is refused'}`,
		);
		t.equal(
			remarks.some((remark) => remark.startsWith('alert') && !remark.includes('supported by holdfast yet')),
			model === undefined,
			`${name}: a model or an alert`,
		);
	}
});
