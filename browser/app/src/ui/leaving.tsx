import { answerLeaving } from '../lib/me'
import { t } from '../lib/words'
import { Confirm } from './dialog'

/** Before signing out with work that the server has not heard of. */
export default function Leaving({ unsent }: { unsent: number }) {
  return (
    <Confirm
      open
      onClose={() => answerLeaving(false)}
      title={t('local.leave.title', { count: unsent })}
      words={t('local.leave.words')}
      verb={t('local.leave.verb')}
      onYes={() => answerLeaving(true)}
    />
  )
}
