import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { renew } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Enrol, NewPasskey, RecoveryCodes } from '../signin/enrol'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Icon } from '../ui/icon'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { sayFault } from '../ui/toast'
import { Passkeys } from './passkeys'
import { Section } from './section'

const key = ['me', 'factors']
const again = () => void queries.invalidateQueries({ queryKey: ['me'] })

/** The second factor: passkeys, an app for codes, and codes for the day it is lost. */
export function Factors() {
  const have = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/v1/me/factors')) })
  const [open, show] = useState<'enrol' | 'remove' | 'passkey' | string[] | null>(null)
  const close = () => {
    show(null)
    again()
  }
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/v1/me/totp')),
    onSuccess: renew,
    onError: sayFault,
    onSettled: close,
  })
  const fresh = useMutation({
    mutationFn: () => ok(api.POST('/v1/me/recovery-codes')),
    onSuccess: (r) => show(r.recovery_codes),
    onError: sayFault,
  })
  const f = have.data
  return (
    <Section title={t('me.factor.title')} words={t('me.factor.words')}>
      {have.isPending && <Rows n={1} tall />}
      {f && (
        <ul className="divide-y divide-line border-y border-line">
          <Passkeys onAdd={() => show('passkey')} />
          <li className="flex items-center gap-3.5 py-3">
            <Icon name="key" className="size-6 text-faint" />
            <div className="min-w-0 flex-1">
              <p className="flex flex-wrap items-center gap-2 font-medium">
                {t('me.factor.app')}
                {f.totp_since ? <Badge tone="good">{t('me.factor.on')}</Badge> : <Badge>{t('me.factor.off')}</Badge>}
              </p>
              <p className="mt-0.5 text-sm text-soft">{f.totp_since ? <>{t('me.factor.since')} <When at={f.totp_since} /></> : t('me.factor.appWords')}</p>
            </div>
            {f.totp_since ? <Button look="quiet" onClick={() => show('remove')}>{t('me.factor.remove')}</Button> : <Button onClick={() => show('enrol')}>{t('me.factor.setUp')}</Button>}
          </li>
          {(f.totp_since || f.passkeys > 0) && (
            <li className="flex items-center gap-3.5 py-3">
              <Icon name="note" className="size-6 text-faint" />
              <div className="min-w-0 flex-1">
                <p className="font-medium">{t('me.factor.recovery')}</p>
                <p className="mt-0.5 text-sm text-soft">{t('me.factor.left', { count: f.recovery_codes_left })}</p>
              </div>
              <Button look="quiet" busy={fresh.isPending} onClick={() => fresh.mutate()}>{t('me.factor.renew')}</Button>
            </li>
          )}
        </ul>
      )}
      <Sheet open={open === 'enrol'} onClose={close} title={t('factor.enrol')}>
        <p className="mb-5 text-soft">{t('me.factor.enrolWords')}</p>
        <Enrol onDone={close} />
      </Sheet>
      <Sheet open={open === 'passkey'} onClose={close} title={t('factor.passkeyMake')}>
        <p className="mb-5 text-soft">{t('factor.passkeyWords')}</p>
        <NewPasskey onDone={close} />
      </Sheet>
      <Sheet open={Array.isArray(open)} onClose={close} title={t('me.factor.recovery')}>
        {Array.isArray(open) && <RecoveryCodes codes={open} onDone={close} />}
      </Sheet>
      <Confirm open={open === 'remove'} onClose={() => show(null)} title={t('me.factor.removeAsk')} words={t('me.factor.removeWords')} verb={t('me.factor.remove')} busy={remove.isPending} onYes={() => remove.mutate()} />
    </Section>
  )
}
