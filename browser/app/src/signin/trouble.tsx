import type { Fault } from '../lib/fault'
import { t } from '../lib/words'
import { Icon } from '../ui/icon'
import { faultWords } from '../ui/toast'

/** What went wrong, above the button that tries again. Faults of fields stand at the fields. */
export function Trouble({ fault, without = [], words }: { fault: Fault | null; without?: string[]; words?: string }) {
  if (!fault || (Object.keys(fault.fields).length > 0 && Object.keys(fault.fields).every((f) => without.includes(f)))) return null
  const said = faultWords(fault)
  return (
    <div role="alert" className="flex items-start gap-2 text-sm text-lost">
      <Icon name="warn" className="mt-0.5 size-4" />
      <p>
        {words ?? said.title}
        {!words && said.words && <span className="block text-soft">{said.words}</span>}
        {fault.retryAfter && fault.retryAfter > 5 && <span className="block text-soft">{t('fault.wait', { seconds: fault.retryAfter })}</span>}
      </p>
    </div>
  )
}
