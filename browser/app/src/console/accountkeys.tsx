import { useQuery } from '@tanstack/react-query'
import { api, ok } from '../lib/api'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { When } from '../ui/time'
import { Asked } from './settings'

/** How old the account's own keys are, and when others should take their place. */
export function AccountKeys() {
  const now = useQuery({ queryKey: ['account', 'info'], queryFn: () => ok(api.GET('/v1/account')) })
  return (
    <Asked title={t('console.locks.title')} query={now}>
      <p className="text-sm text-soft">{t('console.locks.words')}</p>
      <ul className="mt-4 grid gap-4">
        {now.data?.keys.map((k) => (
          <li key={k.kind}>
            <p className="flex flex-wrap items-center gap-2 text-sm font-medium">{t(`console.locks.${k.kind}`)}{k.late && <Badge tone="warm">{t('console.locks.late')}</Badge>}</p>
            <p className="text-sm text-soft">{t('console.locks.made')} <When at={k.made_at} /> · {t('console.locks.due')} <When at={k.due_at} /></p>
          </li>
        ))}
      </ul>
    </Asked>
  )
}
