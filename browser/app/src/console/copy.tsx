import { t } from '../lib/words'
import { Button } from '../ui/button'
import { say } from '../ui/toast'

/** Puts a text on the clipboard. */
export function Copy({ text, words }: { text: string; words?: string }) {
  const copy = () => void navigator.clipboard.writeText(text).then(() => say(t('common.copied'), { kind: 'good' }), () => say(t('common.notCopied'), { kind: 'lost' }))
  return <Button icon="note" onClick={copy}>{words ?? t('common.copy')}</Button>
}
